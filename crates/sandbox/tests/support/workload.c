/* Does what its arguments say, one after the other; every word is a command followed by its operands.
   Results are not looked at: what is tested is what the tracer sees. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char **next;

static char *word(void) { return *next ? *next++ : ""; }

static void run(void);

static void *thread(void *unused) {
    run();
    return unused;
}

static void address(int (*use)(int, const struct sockaddr *, socklen_t)) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, word());
    use(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to, sizeof to);
}

/* Opens so many files from so many processes, each with a name of its own. */
static void many(const char *directory, int processes, int files) {
    for (int process = 0; process < processes; process++) {
        if (fork() > 0) continue;
        char path[200];
        for (int file = 0; file < files; file++) {
            sprintf(path, "%s/%d-%d", directory, process, file);
            int opened = open(path, O_CREAT | O_RDONLY, 0600);
            if (opened < 0) _exit(1);
            close(opened);
        }
        _exit(0);
    }
    int status, failed = 0;
    while (wait(&status) > 0) failed |= status;
    if (failed) exit(1);
}

static void run(void) {
    while (*next) {
        struct stat stat_;
        struct statfs statfs_;
        char buffer[4096];
        char *command = word();
#define IS(name) (strcmp(command, name) == 0)
        if (IS("open")) close(open(word(), O_RDONLY));
        else if (IS("create")) close(open(word(), O_RDWR | O_CREAT, 0600));
        else if (IS("openat")) {
            int directory = open(word(), O_RDONLY | O_DIRECTORY);
            close(openat(directory, word(), O_RDONLY));
            close(directory);
        } else if (IS("openat2")) {
            unsigned long long how[3] = {O_RDONLY, 0, 0};
            syscall(437, AT_FDCWD, word(), how, sizeof how);
        } else if (IS("nofollow")) close(open(word(), O_RDONLY | O_NOFOLLOW));
        else if (IS("stat")) stat(word(), &stat_);
        else if (IS("lstat")) lstat(word(), &stat_);
        else if (IS("fstat")) fstat(0, &stat_);
        else if (IS("access")) access(word(), R_OK);
        else if (IS("statfs")) statfs(word(), &statfs_);
        else if (IS("getxattr")) getxattr(word(), "user.none", buffer, sizeof buffer);
        else if (IS("readlink")) (void)!readlink(word(), buffer, sizeof buffer);
        else if (IS("list")) {
            DIR *directory = opendir(word());
            while (directory && readdir(directory));
        } else if (IS("chdir")) (void)!chdir(word());
        else if (IS("chroot")) (void)!chroot(word());
        else if (IS("watch")) inotify_add_watch(inotify_init(), word(), IN_MODIFY);
        else if (IS("truncate")) (void)!truncate(word(), 0);
        else if (IS("touch")) utimensat(AT_FDCWD, word(), NULL, 0);
        else if (IS("rename")) {
            char *from = word();
            rename(from, word());
        } else if (IS("link")) {
            char *from = word();
            (void)!link(from, word());
        } else if (IS("symlink")) {
            char *target = word();
            (void)!symlink(target, word());
        } else if (IS("unlink")) unlink(word());
        else if (IS("mkdir")) mkdir(word(), 0700);
        else if (IS("mknod")) mknod(word(), S_IFIFO | 0600, 0);
        else if (IS("connect")) address(connect);
        else if (IS("bind")) address(bind);
        else if (IS("exec")) execl(next[0], next[0], NULL), word();
        else if (IS("fork")) {
            if (fork() == 0) continue;
            wait(NULL);
            exit(0);
        } else if (IS("thread")) {
            pthread_t other;
            pthread_create(&other, NULL, thread, NULL);
            pthread_join(other, NULL);
            return;
        } else if (IS("ring")) {
            if (syscall(425, 1, buffer) >= 0) exit(3);
        } else if (IS("many")) {
            char *directory = word();
            int processes = atoi(word());
            many(directory, processes, atoi(word()));
        } else if (IS("wait")) pause();
        else exit(2);
    }
}

int main(int count, char **arguments) {
    (void)count;
    next = arguments + 1;
    run();
    return 0;
}
