/* Preloaded into a test's process: notes every fsync and fdatasync in the file SYNC_LOG before it is passed on, and
   fails those of a write-ahead log while the file SYNC_FAIL exists. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int noted(const char *name, int descriptor) {
    char link[64], path[1024], line[1200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    int log = open(getenv("SYNC_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int size = snprintf(line, sizeof line, "%s %s\n", name, path);
    if (log < 0 || write(log, line, size) != size) abort();
    close(log);
    const char *fail = getenv("SYNC_FAIL");
    length = strlen(path);
    if (fail && access(fail, F_OK) == 0 && length > 4 && strcmp(path + length - 4, "-wal") == 0) {
        errno = EIO;
        return -1;
    }
    errno = 0;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(descriptor);
}

int fsync(int descriptor) { return noted("fsync", descriptor); }

int fdatasync(int descriptor) { return noted("fdatasync", descriptor); }
