#!/bin/bash
# Selftest: verdict fail, for a process that outlives the case.
setsid sleep 1000 &
