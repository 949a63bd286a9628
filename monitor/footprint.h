// Keeping the monitor small: there is one per pod, and every fork copies its pages.
#pragma once

namespace slipway::monitor {

// First of all: the heap grows by what is asked for and shrinks as soon as it can.
void set_up_small_heap();

// Gives back what the last piece of work has left of the heap.
void stay_small();

// Unmaps the program's code and constants; what the loop needs comes back page by page from the page cache. Starting a pod needs
// much of the program, keeping it hardly any.
void drop_code_pages();

}  // namespace slipway::monitor
