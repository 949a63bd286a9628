# shellcheck shell=bash
# The images disk: what tests/images/build made, kept until tests/images changes.

IMAGES_BUILD=$PROJECT_DIR/tests/images

# images_disk: prints the path of the cached disk, making it when it is not there.
images_disk() {
  local image
  image=$CACHE_DIR/images-$(find "$IMAGES_BUILD" -type f -exec cat {} + 2>/dev/null | sha256sum | cut -c1-12).img
  [[ -e $image ]] || make_images "$image" >&2
  printf '%s\n' "$image"
}

# Beside the disk stays its folder, for tests on this host; build/vm/images always links to the newest.
make_images() {
  local image=$1 tree=${1%.img}
  rm -rf --one-file-system "$tree" "$tree.work"
  mkdir -p "$tree"
  note "images: tests/images/build (two minutes, once)"
  "$IMAGES_BUILD/build" "$tree"
  disk_from_folder "$tree" "$image.tmp" "$(($(du -sm "$tree" | cut -f1) * 5 / 4 + 256))M"
  mv "$image.tmp" "$image"
  ln -sfn "$(basename "$tree")" "$CACHE_DIR/images"
  drop_old images "$image" "$tree"
}
