#!/bin/bash
# Selftest: verdict skip.
echo "skip: because"
exit 77
