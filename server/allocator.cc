// The allocator's settings. jemalloc takes about a tenth off the CPU of a write: a request is allocated by one thread
// and freed by another. Few arenas keep memory small on few cores; memory goes back to the system in the background.
extern "C" {
extern const char* malloc_conf;  // jemalloc reads it when the process starts
const char* malloc_conf = "narenas:2,background_thread:true";
}
