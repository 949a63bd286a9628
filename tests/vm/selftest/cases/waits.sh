#!/bin/bash
# Selftest: the library's own assertions fail when they should.
# shellcheck source=SCRIPTDIR/../../../integration/lib.sh
. "$(dirname "$0")/../../../integration/lib.sh"
for call in 'assert_eq a b' 'assert_contains abc d' 'assert_lacks abc b' 'assert_matches abc ^b' 'assert_le 2.5 2' \
  'assert_fails no false' 'assert_fails no true' 'wait_for 1 nothing false'; do
  if (eval "$call") >"$CASE_DIR/said" 2>&1; then fail "'$call' passed"; fi
  assert_contains "$(<"$CASE_DIR/said")" "FAIL $0:" "message of '$call'"
done
assert_eq a a
assert_contains abc b
assert_lacks abc d
assert_matches abc ^a
assert_le 2 2.5
assert_fails 'No such file' ls /nowhere
wait_for 1 something true
