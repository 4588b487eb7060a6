# Writes lathe_version.h: the package's version and a hash of the sources, so that a run's manifest can name exactly the
# code that computed it. Made anew at each build in which a source changed.
file(GLOB_RECURSE lathe_hashed CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/src/*.h")
list(APPEND lathe_hashed "${CMAKE_CURRENT_SOURCE_DIR}/CMakeLists.txt" "${CMAKE_CURRENT_SOURCE_DIR}/package.json")
list(SORT lathe_hashed)
set(lathe_version_header "${CMAKE_CURRENT_BINARY_DIR}/generated/lathe_version.h")
string(REPLACE ";" "\n" lathe_hashed_lines "${lathe_hashed}")
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/generated/sources.txt" "${lathe_hashed_lines}\n")
add_custom_command(
  OUTPUT "${lathe_version_header}"
  COMMAND "${CMAKE_COMMAND}" -DLIST=${CMAKE_CURRENT_BINARY_DIR}/generated/sources.txt
          -DROOT=${CMAKE_CURRENT_SOURCE_DIR} -DOUT=${lathe_version_header}
          -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/write_version.cmake"
  DEPENDS ${lathe_hashed} "${CMAKE_CURRENT_SOURCE_DIR}/cmake/write_version.cmake"
  VERBATIM)
target_sources(lathe PRIVATE "${lathe_version_header}")
target_include_directories(lathe PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/generated")
