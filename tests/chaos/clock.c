/* The wall clock of one node's processes, off by as many seconds as /etc/chaos-clock says (a number of 8 bytes).
 *
 * Loaded through the node's own /etc/ld.so.preload, so that ExaBGP, which is started with an environment of ours, has the
 * same clock. Monotonic clocks stay as they are: no step ever moves those. Not libfaketime: its 0.9.10 makes Python's
 * time.sleep fail (clock_nanosleep with a point in time), and leaves semaphores in the machine's /dev/shm. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void open_clock(void) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, "/etc/chaos-clock", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *held = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (held != MAP_FAILED)
        offset = held;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where)
        *where = now.tv_sec;
    return now.tv_sec;
}
