/* Preloaded into the server: a worse disk and another clock, steered from outside through a small shared file.
 *
 * Only files whose name holds $TORTURE_SHIM_FILES are touched. Counts their writes and syncs; can kill the process at
 * the n-th, delay syncs, let the next ones fail, and shift the wall clock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t calls;      /* writes and syncs so far */
    int64_t kill_at;    /* 0 = never; -n: in the n-th: a write is half done, a sync done, nobody is told */
    int64_t delay_us;   /* of every sync */
    int64_t fail_syncs; /* how many of the next syncs fail */
    int64_t fail_writes;
    int64_t error;      /* with this errno */
    int64_t clock_ms;   /* added to the wall clock */
    int64_t failed;     /* how many have failed */
};

static struct control *control;
static const char *files;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TORTURE_SHIM");
    files = getenv("TORTURE_SHIM_FILES");
    if (!path || !files) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != MAP_FAILED) control = at;
}

static int is_ours(int fd) {
    char link[32] = "/proc/self/fd/", path[512];
    if (!control || fd < 0) return 0;
    int at = 14, digits = 1;
    for (int rest = fd / 10; rest; rest /= 10) digits++;
    for (int i = digits - 1, rest = fd; i >= 0; i--, rest /= 10) link[at + i] = (char)('0' + rest % 10);
    link[at + digits] = 0;
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, files) != NULL;
}

/* 1: die in the middle of this call; 0: go on. Does not return when it is to die before it. */
static int counted(void) {
    int64_t now = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (control->kill_at == now) kill(getpid(), SIGKILL);
    return control->kill_at == -now;
}

static int fails(int64_t *left) {
    if (*left <= 0) return 0;
    (*left)--;
    control->failed++;
    errno = (int)control->error;
    return 1;
}

static ssize_t written(int fd, const void *from, size_t count, off_t at, int is_placed) {
    if (is_ours(fd)) {
        if (fails(&control->fail_writes)) return -1;
        if (counted()) {
            if (is_placed) syscall(SYS_pwrite64, fd, from, count / 2, at);
            else syscall(SYS_write, fd, from, count / 2);
            kill(getpid(), SIGKILL);
        }
    }
    return is_placed ? syscall(SYS_pwrite64, fd, from, count, at) : syscall(SYS_write, fd, from, count);
}

static int synced(int fd, long number) {
    if (is_ours(fd)) {
        if (control->delay_us > 0) usleep((useconds_t)control->delay_us);
        if (fails(&control->fail_syncs)) return -1;
        if (counted()) {
            syscall(number, fd);
            kill(getpid(), SIGKILL);
        }
    }
    return (int)syscall(number, fd);
}

ssize_t write(int fd, const void *from, size_t count) { return written(fd, from, count, 0, 0); }
ssize_t pwrite(int fd, const void *from, size_t count, off_t at) { return written(fd, from, count, at, 1); }
ssize_t pwrite64(int fd, const void *from, size_t count, off_t at) { return written(fd, from, count, at, 1); }
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int cut(int fd, off_t length) {
    if (is_ours(fd) && counted()) {
        syscall(SYS_ftruncate, fd, length);
        kill(getpid(), SIGKILL);
    }
    return (int)syscall(SYS_ftruncate, fd, length);
}
int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

static void shift(struct timespec *now) {
    int64_t ms = control ? control->clock_ms : 0;
    now->tv_sec += ms / 1000;
    now->tv_nsec += ms % 1000 * 1000000;
    if (now->tv_nsec >= 1000000000) now->tv_nsec -= 1000000000, now->tv_sec++;
    if (now->tv_nsec < 0) now->tv_nsec += 1000000000, now->tv_sec--;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(now);
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (at) *at = exact.tv_sec;
    return exact.tv_sec;
}
