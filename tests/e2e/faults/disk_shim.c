/* A disk that is slow, full or failing, for one process and the regular files under one folder. Loaded with LD_PRELOAD,
 * steered by a file that is read again whenever it was replaced:
 *
 *   delay_ms N    every fsync takes so much longer
 *   room N        files may grow by so many bytes together, counted from the reading of the rule; then ENOSPC. A write
 *                 that fits in part is written in part, as a real disk does it. Bytes that a file has already stay its own.
 *   fail_sync N   the N-th fsync from the reading of the rule fails with EIO, once, and what that file was given since
 *                 its last good fsync is lost, as Linux drops dirty pages after an error: the old bytes are put back.
 *
 * DISK_SHIM_FOLDER and DISK_SHIM_RULES name the folder and the file. Without both everything passes. Memory maps are not
 * seen: SQLite maps only its index of the log, which is made anew after a crash.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) real_##name
#define NEXT(type, name, args) static type (*REAL(name)) args

NEXT(ssize_t, write, (int, const void *, size_t));
NEXT(ssize_t, pwrite64, (int, const void *, size_t, off64_t));
NEXT(ssize_t, writev, (int, const struct iovec *, int));
NEXT(ssize_t, pwritev64, (int, const struct iovec *, int, off64_t));
NEXT(int, ftruncate64, (int, off64_t));
NEXT(int, fallocate64, (int, int, off64_t, off64_t));
NEXT(int, fsync, (int));
NEXT(int, fdatasync, (int));

static char folder[PATH_MAX];
static char rules[PATH_MAX];

/* What is undone when an fsync fails: the bytes that were there, newest first. */
struct undo {
    struct undo *next;
    dev_t device;
    ino_t file;
    off64_t at;
    off64_t size;
    size_t length;
    char bytes[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct undo *undos;
static struct timespec rules_time;
static ino_t rules_file;
static long long delay_ms;
static long long room = -1;
static long long fail_sync = -1;

__attribute__((constructor)) static void begin(void)
{
    *(void **)&REAL(write) = dlsym(RTLD_NEXT, "write");
    *(void **)&REAL(pwrite64) = dlsym(RTLD_NEXT, "pwrite64");
    *(void **)&REAL(writev) = dlsym(RTLD_NEXT, "writev");
    *(void **)&REAL(pwritev64) = dlsym(RTLD_NEXT, "pwritev64");
    *(void **)&REAL(ftruncate64) = dlsym(RTLD_NEXT, "ftruncate64");
    *(void **)&REAL(fallocate64) = dlsym(RTLD_NEXT, "fallocate64");
    *(void **)&REAL(fsync) = dlsym(RTLD_NEXT, "fsync");
    *(void **)&REAL(fdatasync) = dlsym(RTLD_NEXT, "fdatasync");
    const char *under = getenv("DISK_SHIM_FOLDER"), *by = getenv("DISK_SHIM_RULES");
    if (under && by && realpath(under, folder))
        snprintf(rules, sizeof rules, "%s", by);
}

/* With the lock held. */
static void read_rules(void)
{
    struct stat now;
    if (stat(rules, &now) != 0)
        return;
    if (now.st_ino == rules_file && now.st_mtim.tv_sec == rules_time.tv_sec && now.st_mtim.tv_nsec == rules_time.tv_nsec)
        return;
    FILE *file = fopen(rules, "re");
    if (!file)
        return;
    rules_file = now.st_ino;
    rules_time = now.st_mtim;
    delay_ms = 0;
    room = -1;
    fail_sync = -1;
    char word[32];
    long long number;
    while (fscanf(file, "%31s %lld", word, &number) == 2) {
        if (strcmp(word, "delay_ms") == 0)
            delay_ms = number;
        else if (strcmp(word, "room") == 0)
            room = number;
        else if (strcmp(word, "fail_sync") == 0)
            fail_sync = number;
    }
    fclose(file);
}

/* Whether the rules are about this file. */
static int is_ours(int fd, struct stat *is)
{
    if (!rules[0] || fstat(fd, is) != 0 || !S_ISREG(is->st_mode))
        return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t prefix = strlen(folder);
    return length > (ssize_t)prefix && strncmp(path, folder, prefix) == 0 && path[prefix] == '/';
}

/* How much of a write there is room for, -1 for none of it. With the lock held. */
static ssize_t fits(const struct stat *is, off64_t at, size_t length)
{
    if (room < 0)
        return (ssize_t)length;
    off64_t end = at + (off64_t)length;
    long long grows = end - (is->st_size > at ? is->st_size : at);
    if (grows <= 0)
        return (ssize_t)length;
    if (grows > room) {
        length -= (size_t)(grows - room);
        grows = room;
    }
    room -= grows;
    if (length == 0) {
        errno = ENOSPC;
        return -1;
    }
    return (ssize_t)length;
}

static void remember(int fd, const struct stat *is, off64_t at, size_t length)
{
    if (fail_sync <= 0)
        return;
    struct undo *undo = malloc(sizeof *undo + length);
    if (!undo)
        return;
    *undo = (struct undo){ undos, is->st_dev, is->st_ino, at, is->st_size, 0 };
    /* A log may be opened for writing only in part; what cannot be read stays as it is written. */
    ssize_t read = pread64(fd, undo->bytes, length, at);
    undo->length = read > 0 ? (size_t)read : 0;
    undos = undo;
}

/* Forgets what was to be undone in this file, after having undone it or not. With the lock held. */
static void settle(int fd, const struct stat *is, int undone)
{
    struct undo **at = &undos;
    while (*at) {
        struct undo *undo = *at;
        if (undo->device != is->st_dev || undo->file != is->st_ino) {
            at = &undo->next;
            continue;
        }
        if (undone) {
            ssize_t put = REAL(pwrite64)(fd, undo->bytes, undo->length, undo->at);
            int cut = REAL(ftruncate64)(fd, undo->size);
            (void)put;
            (void)cut;
        }
        *at = undo->next;
        free(undo);
    }
}

static ssize_t put(int fd, const void *bytes, size_t length, off64_t at, int moves)
{
    struct stat is;
    if (!is_ours(fd, &is))
        return moves ? REAL(write)(fd, bytes, length) : REAL(pwrite64)(fd, bytes, length, at);
    pthread_mutex_lock(&lock);
    read_rules();
    if (moves)
        at = fcntl(fd, F_GETFL) & O_APPEND ? is.st_size : lseek64(fd, 0, SEEK_CUR);
    ssize_t some = fits(&is, at, length);
    if (some > 0) {
        remember(fd, &is, at, (size_t)some);
        some = moves ? REAL(write)(fd, bytes, (size_t)some) : REAL(pwrite64)(fd, bytes, (size_t)some, at);
    } else if (length == 0) {
        some = 0;
    }
    pthread_mutex_unlock(&lock);
    return some;
}

ssize_t write(int fd, const void *bytes, size_t length) { return put(fd, bytes, length, 0, 1); }

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return put(fd, bytes, length, at, 0); }

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return put(fd, bytes, length, at, 0); }

/* A caller of these has to bear with a part being written: the first piece is a part. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    struct stat is;
    if (!is_ours(fd, &is))
        return REAL(writev)(fd, pieces, count);
    for (int piece = 0; piece < count; piece++)
        if (pieces[piece].iov_len > 0)
            return put(fd, pieces[piece].iov_base, pieces[piece].iov_len, 0, 1);
    return 0;
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t at)
{
    struct stat is;
    if (!is_ours(fd, &is))
        return REAL(pwritev64)(fd, pieces, count, at);
    for (int piece = 0; piece < count; piece++)
        if (pieces[piece].iov_len > 0)
            return put(fd, pieces[piece].iov_base, pieces[piece].iov_len, at, 0);
    return 0;
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) { return pwritev64(fd, pieces, count, at); }

/* Growing by truncation takes no room on a real disk either. */
int ftruncate64(int fd, off64_t size)
{
    struct stat is;
    if (is_ours(fd, &is)) {
        pthread_mutex_lock(&lock);
        read_rules();
        off64_t kept = size < is.st_size ? size : is.st_size;
        remember(fd, &is, kept, (size_t)(is.st_size - kept));
        pthread_mutex_unlock(&lock);
    }
    return REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fallocate64(int fd, int mode, off64_t at, off64_t length)
{
    struct stat is;
    if (is_ours(fd, &is)) {
        pthread_mutex_lock(&lock);
        read_rules();
        off64_t grows = at + length - is.st_size;
        int full = room >= 0 && grows > room;
        if (!full && room >= 0 && grows > 0)
            room -= grows;
        pthread_mutex_unlock(&lock);
        if (full) {
            errno = ENOSPC;
            return -1;
        }
    }
    return REAL(fallocate64)(fd, mode, at, length);
}

int fallocate(int fd, int mode, off_t at, off_t length) { return fallocate64(fd, mode, at, length); }

int posix_fallocate(int fd, off_t at, off_t length) { return fallocate64(fd, 0, at, length) == 0 ? 0 : errno; }

int posix_fallocate64(int fd, off64_t at, off64_t length) { return posix_fallocate(fd, at, length); }

static int sync_with(int (*real)(int), int fd)
{
    struct stat is;
    if (!is_ours(fd, &is))
        return real(fd);
    pthread_mutex_lock(&lock);
    read_rules();
    long long wait = delay_ms;
    int fails = fail_sync > 0 && --fail_sync == 0;
    settle(fd, &is, fails);
    pthread_mutex_unlock(&lock);
    if (wait > 0) {
        struct timespec time = { wait / 1000, wait % 1000 * 1000000 };
        nanosleep(&time, NULL);
    }
    if (fails) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd) { return sync_with(REAL(fsync), fd); }

int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }
