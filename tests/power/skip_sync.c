/* Preloaded into a server to prove that the power-cut test sees a missing sync: files whose path has the word of
   SKIP_SYNC_OF in it are not synced, the caller is told they were. An empty word means every file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int skipped(int fd) {
    const char *word = getenv("SKIP_SYNC_OF");
    char link[64], path[4096];
    if (word == NULL) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, word) != NULL;
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return skipped(fd) ? 0 : real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return skipped(fd) ? 0 : real(fd);
}
