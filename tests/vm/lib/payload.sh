# shellcheck shell=bash
# The payload disk: this tree's tests and built binaries, made anew for each run in a second or two.
#
# In the guest it is mounted at the project's own absolute path, and /slipway links there:
#   build/<preset>/bin     the programs (first in PATH; SLIPWAY_BIN)
#   build/<preset>/tests   unit and other test executables (SLIPWAY_TESTS)
#   build/tools            programs that tests bring along beside ours (crictl), when the folder is there; last in PATH
#   tests/ docs/ …         every folder named in PAYLOAD_FOLDERS, as it is in the tree

PAYLOAD_FOLDERS=(tests docs oci proto packaging)

# make_payload FOLDER IMAGE
make_payload() {
  local folder=$1 image=$2 name size
  for name in "${PAYLOAD_FOLDERS[@]}"; do
    [[ -d $PROJECT_DIR/$name ]] && cp -a "$PROJECT_DIR/$name" "$folder/"
  done
  copy_built "$folder"
  size=$(du -sm "$folder" | cut -f1)
  disk_from_folder "$folder" "$image" "$((size + size / 4 + 64))M"
}

# Only what can be run: object files and libraries stay at home.
copy_built() {
  local built=$BUILD_DIR/$PRESET to=$1/build/$PRESET file
  mkdir -p "$to/bin" "$to/tests"
  [[ ! -d $BUILD_DIR/tools ]] || cp -a "$BUILD_DIR/tools" "$1/build/"
  [[ -d $built/bin ]] && cp -a "$built/bin/." "$to/bin/"
  [[ ! -d $built/weakened/bin ]] || { mkdir -p "$to/weakened" && cp -a "$built/weakened/bin" "$to/weakened/"; }
  [[ -d $built/tests ]] || return 0
  while IFS= read -r -d '' file; do
    is_elf "$built/tests/$file" || continue
    install -D "$built/tests/$file" "$to/tests/$file"
  done < <(cd "$built/tests" && find . -type f -executable -not -path '*/CMakeFiles/*' -printf '%P\0')
}

is_elf() { [[ $(head -c 4 "$1" | tail -c 3) == ELF ]]; }
