# The tile kernels: the same sources once for each instruction set, each in a namespace of its own. The addon picks one of
# them by cpuid when it is loaded (src/core/simd.cpp).
# Nothing that reorders or contracts arithmetic is allowed: every tile shape must round alike, so that results do not depend
# on how the work is cut (multiply-adds are fused by hand, see vec.h). Errno and trapping are not used.
set(lathe_kernel_flags ${lathe_optimise} -Wall -Wextra -Wno-psabi -ffp-contract=off -fno-math-errno -fno-trapping-math)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND lathe_kernel_flags -Wno-maybe-uninitialized) # GCC 12 warns of _mm512_undefined_ps in its own headers
endif()

function(lathe_add_level level)
  add_library(lathe_${level} OBJECT ${lathe_isa_sources})
  target_include_directories(lathe_${level} PRIVATE src)
  target_compile_definitions(lathe_${level} PRIVATE LATHE_ISA=${level})
  target_compile_options(lathe_${level} PRIVATE ${lathe_kernel_flags} ${ARGN})
  target_sources(lathe PRIVATE $<TARGET_OBJECTS:lathe_${level}>)
endfunction()

lathe_add_level(baseline)

set(lathe_processor "${CMAKE_SYSTEM_PROCESSOR}")
if(CMAKE_OSX_ARCHITECTURES)
  set(lathe_processor "${CMAKE_OSX_ARCHITECTURES}")
endif()
if(lathe_processor MATCHES "^(x86_64|AMD64|amd64)$")
  # Prefetching for a write (prfchw) is a hint that every processor with AVX2 decodes, if only to ignore it.
  lathe_add_level(avx2 -mavx2 -mfma -mprfchw)
  lathe_add_level(avx512 -mavx2 -mfma -mprfchw -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  target_compile_definitions(lathe PRIVATE LATHE_HAVE_X86_LEVELS=1)
  # The integer kernels: one file an instruction set, with the flags that it needs and no others.
  set_source_files_properties(src/kernels/integer/avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2")
  set_source_files_properties(src/kernels/integer/vnni.cpp PROPERTIES COMPILE_OPTIONS
    "-mavx2;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vnni;-mprefer-vector-width=512")
endif()
