/* Loaded before the C library (LD_PRELOAD): counts the calls that touch files below the folders of FAULT_ROOTS, and
   makes the one that was armed fail. Sees what Arrow, numpy and torch do in C++ as well as what Python does. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS 65536
static unsigned char ours[DESCRIPTORS];
static long count, armed = -1;
static int failure, sticky, fired;
static char name[64];

void fault_arm(long at, int error, int stays) { count = 0; armed = at; failure = error; sticky = stays; fired = 0; name[0] = 0; }
long fault_count(void) { return count; }
const char *fault_name(void) { return fired ? name : ""; }

static int below(const char *path) {
    const char *roots = getenv("FAULT_ROOTS");
    if (!path || !roots) return 0;
    for (const char *at = roots; *at;) {
        size_t length = strcspn(at, ":");
        if (length && !strncmp(path, at, length) && (!path[length] || path[length] == '/')) return 1;
        at += length + (at[length] == ':');
    }
    return 0;
}
static int held(int fd) { return fd >= 0 && fd < DESCRIPTORS && ours[fd]; }
static int at(int fd, const char *path) { return path && (path[0] == '/' ? below(path) : held(fd)); }
static void hold(int fd, int yes) { if (fd >= 0 && fd < DESCRIPTORS) ours[fd] = yes; }

/* whether this call fails; `writes`: it needs room on the disk, which a full disk never has again */
static int fails(const char *what, int writes) {
    if (armed < 0) return 0;
    long number = count++;
    int hit = number == armed || (fired && sticky && writes);
    if (!hit) return 0;
    if (!fired) { fired = 1; snprintf(name, sizeof name, "%s", what); if (sticky && !writes) { failure = EIO; sticky = 0; } }
    errno = failure;
    return 1;
}
#define REAL(type, function, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, #function)

#define OPEN(function) \
int function(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; va_end(rest); \
    REAL(int, function, const char *, int, ...); int mine = below(path); \
    if (mine && fails("open", flags & O_CREAT)) return -1; \
    int fd = real(path, flags, mode); hold(fd, mine); return fd; }
OPEN(open) OPEN(open64)
#define OPENAT(function) \
int function(int folder, const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; va_end(rest); \
    REAL(int, function, int, const char *, int, ...); int mine = at(folder, path); \
    if (mine && fails("open", flags & O_CREAT)) return -1; \
    int fd = real(folder, path, flags, mode); hold(fd, mine); return fd; }
OPENAT(openat) OPENAT(openat64)
#define FOPEN(function) \
FILE *function(const char *path, const char *mode) { \
    REAL(FILE *, function, const char *, const char *); int mine = below(path); \
    if (mine && fails("open", mode[0] != 'r')) return NULL; \
    FILE *file = real(path, mode); if (file) hold(fileno(file), mine); return file; }
FOPEN(fopen) FOPEN(fopen64)
int close(int fd) { REAL(int, close, int); hold(fd, 0); return real(fd); }

#define ON_FD(type, function, what, writes, declared, passed) \
type function declared { REAL(type, function, ANY); if (held(fd) && fails(what, writes)) return -1; return ((type (*) declared)real) passed; }
#define ANY void
ON_FD(ssize_t, read, "read", 0, (int fd, void *data, size_t size), (fd, data, size))
ON_FD(ssize_t, pread, "read", 0, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
ON_FD(ssize_t, pread64, "read", 0, (int fd, void *data, size_t size, off64_t offset), (fd, data, size, offset))
ON_FD(ssize_t, readv, "read", 0, (int fd, const struct iovec *parts, int n), (fd, parts, n))
ON_FD(ssize_t, write, "write", 1, (int fd, const void *data, size_t size), (fd, data, size))
ON_FD(ssize_t, pwrite, "write", 1, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
ON_FD(ssize_t, pwrite64, "write", 1, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset))
ON_FD(ssize_t, writev, "write", 1, (int fd, const struct iovec *parts, int n), (fd, parts, n))
ON_FD(int, fsync, "fsync", 1, (int fd), (fd))
ON_FD(int, fdatasync, "fsync", 1, (int fd), (fd))
ON_FD(int, ftruncate, "truncate", 0, (int fd, off_t length), (fd, length))
ON_FD(int, ftruncate64, "truncate", 0, (int fd, off64_t length), (fd, length))
ON_FD(int, flock, "flock", 0, (int fd, int how), (fd, how))

#define ON_PATH(function, what, writes, mine, declared, passed) \
int function declared { REAL(int, function, ANY); if ((mine) && fails(what, writes)) return -1; return ((int (*) declared)real) passed; }
ON_PATH(truncate, "truncate", 0, below(path), (const char *path, off_t length), (path, length))
ON_PATH(truncate64, "truncate", 0, below(path), (const char *path, off64_t length), (path, length))
ON_PATH(mkdir, "mkdir", 1, below(path), (const char *path, mode_t mode), (path, mode))
ON_PATH(mkdirat, "mkdir", 1, at(folder, path), (int folder, const char *path, mode_t mode), (folder, path, mode))
ON_PATH(rmdir, "rmdir", 0, below(path), (const char *path), (path))
ON_PATH(unlink, "unlink", 0, below(path), (const char *path), (path))
ON_PATH(unlinkat, "unlink", 0, at(folder, path), (int folder, const char *path, int flags), (folder, path, flags))
ON_PATH(rename, "rename", 0, below(path), (const char *path, const char *to), (path, to))
ON_PATH(renameat, "rename", 0, at(a, path), (int a, const char *path, int b, const char *to), (a, path, b, to))
ON_PATH(link, "link", 0, below(path), (const char *path, const char *to), (path, to))

DIR *opendir(const char *path) {
    REAL(DIR *, opendir, const char *);
    if (below(path) && fails("list", 0)) return NULL;
    DIR *folder = real(path);
    if (folder) hold(dirfd(folder), below(path));
    return folder;
}
DIR *fdopendir(int fd) {
    REAL(DIR *, fdopendir, int);
    return held(fd) && fails("list", 0) ? NULL : real(fd);
}
#define READDIR(type, function) \
type *function(DIR *folder) { REAL(type *, function, DIR *); return held(dirfd(folder)) && fails("list", 0) ? NULL : real(folder); }
READDIR(struct dirent, readdir) READDIR(struct dirent64, readdir64)
