// termios(3) and its undoing.
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace slipway::cli {

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  termios now{};
  if (::tcgetattr(fd_, &now) != 0) return;
  before_ = now;
  ::cfmakeraw(&now);
  (void)::tcsetattr(fd_, TCSADRAIN, &now);
}

RawTerminal::~RawTerminal() {
  if (before_) (void)::tcsetattr(fd_, TCSADRAIN, &*before_);
}

std::optional<streaming::TerminalSize> terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return std::nullopt;
  return streaming::TerminalSize{size.ws_col, size.ws_row};
}

}  // namespace slipway::cli
