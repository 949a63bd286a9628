// The terminal that slipctl was started in, raw for as long as a command inside has it.
#pragma once

#include <termios.h>

#include <optional>

#include "base/result.h"
#include "streaming/protocols.h"

namespace slipway::cli {

// Every byte goes through as it is typed, ^C too. Its end puts back what was there.
class RawTerminal {
 public:
  // Of a descriptor that is no terminal: does nothing.
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int fd_;
  std::optional<termios> before_;
};

// nullopt: no terminal, or one that does not know its size.
std::optional<streaming::TerminalSize> terminal_size(int fd);

}  // namespace slipway::cli
