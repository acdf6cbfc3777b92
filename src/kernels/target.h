// Compiles a region of a file for one instruction set. Not a per-file -m flag: g++ would then emit
// linker-shared std:: helpers in that ISA's code, and the linker may keep those for everybody.
// Include every header first: what stands in the region, and nothing else, may use the
// instructions. For kernels/*_<isa>.cc alone.
#pragma once

#define FERRES_PRAGMA(x) _Pragma(#x)
#if defined(__clang__)
#define FERRES_TARGET_BEGIN(isa) \
  FERRES_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define FERRES_TARGET_END FERRES_PRAGMA(clang attribute pop)
#else
#define FERRES_TARGET_BEGIN(isa) FERRES_PRAGMA(GCC push_options) FERRES_PRAGMA(GCC target(isa))
#define FERRES_TARGET_END FERRES_PRAGMA(GCC pop_options)
#endif
