#!/bin/bash
# Selftest: verdict fail after its own time.
# timeout: 3
setsid sleep 1000 &
sleep 1000
