# shellcheck shell=bash
# The host's way to Debian's archive, for programs that make a root of their own.

# The Debian archives that this host's apt uses, so that a mirror set up for the host serves the guest too.
apt_sources() {
  local lines
  # shellcheck disable=SC2016  # $(…) is indextargets' own syntax
  lines=$(apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) main' \
    'Created-By: Packages' 'Origin: Debian' 'Component: main' | grep ' bookworm' | sort -u || true)
  if [[ -z $lines ]]; then
    lines='deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main'
  fi
  printf '%s\n' "$lines"
}

# The host's own settings (a proxy, say) are not read by mmdebstrap: hand them over.
apt_options() {
  apt-config dump | sed -n 's/^\(Acquire::https\?::Proxy.*\|Acquire::Check-.*\);$/--aptopt=\1/p'
}
