// Keeps this library loaded until the process ends: its pool threads outlive the worker thread that loaded it.
#pragma once

namespace lathe {

void PinLibrary();

}  // namespace lathe
