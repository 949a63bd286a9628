#!/bin/bash
# Selftest: verdict fail, with the status in the log.
exit 3
