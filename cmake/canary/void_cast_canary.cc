// Never compiled: check_casts.cmake must report each of these casts.

// FAULT 1
const float* view_floats(const char* bytes) {
  return static_cast<const float*>(static_cast<const void*>(bytes));
}

// FAULT 2
float* view_floats(char* bytes) { return static_cast<float*>(static_cast<void*>(bytes)); }

// FAULT 3
const float** view_pointers(char* bytes) {
  return static_cast<const float**>(static_cast<void*>(bytes));
}
