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

make_images() {
  local image=$1 tree=$1.tree
  rm -rf --one-file-system "$tree"
  mkdir -p "$tree"
  if [[ -x $IMAGES_BUILD/build ]]; then
    note "images: tests/images/build (once)"
    "$IMAGES_BUILD/build" "$tree"
  fi
  disk_from_folder "$tree" "$image.tmp" "$(($(du -sm "$tree" | cut -f1) * 5 / 4 + 256))M"
  rm -rf --one-file-system "$tree"
  mv "$image.tmp" "$image"
  drop_old images "$image"
}
