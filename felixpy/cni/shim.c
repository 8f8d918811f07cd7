/* The CNI plugin for hosts without Python: felixpy/cni/twin.py in C, and held to the same tests. Static, needs nothing.
 * It hands the call, the pod's network namespace and a netlink socket opened in it to the agent, writes the settings
 * that the agent names, and prints the agent's answer. See felixpy/cni/wire.py for what goes over the socket. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define VERSIONS "\"0.3.0\", \"0.3.1\", \"0.4.0\", \"1.0.0\", \"1.1.0\""
#define MAX_CONFIG (1 << 20)
#define MAX_ENV (1 << 16)
enum { PATIENCE_MS = 10000, RETRY_MS = 100, ANSWER_S = 60, AWAY = -1 };

extern char **environ;
static char config[MAX_CONFIG + 1], message[MAX_CONFIG + MAX_ENV + 128];
static size_t config_size, message_size;

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* The cniVersion of the configuration; the newest when it says none that is one. */
static const char *version(void)
{
    static char found[8];
    const char *at = strstr(config, "\"cniVersion\"");
    if (at && sscanf(at + 12, " : \"%7[0-9.]\"", found) == 1) {
        char quoted[16];
        snprintf(quoted, sizeof quoted, "\"%s\"", found);
        if (strstr(VERSIONS, quoted))
            return found;
    }
    return "1.1.0";
}

static int failed(int code, const char *what, const char *details)
{
    printf("{\"cniVersion\": \"%s\", \"code\": %d, \"msg\": \"%s\", \"details\": \"%s\"}\n", version(), code, what, details);
    return 1;
}

static int build_message(void)
{
    static char pairs[MAX_ENV];
    size_t size = 0;
    for (char **each = environ; *each; each++) {
        size_t length = strlen(*each) + 1;
        if (strncmp(*each, "CNI_", 4))
            continue;
        if (size + length > sizeof pairs)
            return -1;
        memcpy(pairs + size, *each, length);
        size += length;
    }
    message_size = sprintf(message, "felixpy-cni 1 %zu %zu\n", size, config_size);
    memcpy(message + message_size, pairs, size);
    memcpy(message + message_size + size, config, config_size);
    message_size += size + config_size;
    return 0;
}

/* The pod's namespace and a socket in it; 0 when it is gone: the agent says what that means. */
static int lend(int lent[2])
{
    const char *path = variable("CNI_NETNS", "");
    if (!*path || (lent[0] = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    if (setns(lent[0], CLONE_NEWNET))
        return 0;
    return (lent[1] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)) >= 0;
}

static int connected(int patience_ms)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = ANSWER_S};
    struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    for (;; patience_ms -= RETRY_MS) {
        int agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int folder = open(variable("FELIXPY_RUN_DIR", "/run/felixpy"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        snprintf(where.sun_path, sizeof where.sun_path, "/proc/self/fd/%d/cni.sock", folder); /* fits, however deep */
        if (folder >= 0 && agent >= 0 && !connect(agent, (struct sockaddr *)&where, sizeof where)) {
            setsockopt(agent, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
            setsockopt(agent, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
            close(folder);
            return agent;
        }
        int cause = errno;
        close(agent), close(folder);
        errno = cause;
        if (patience_ms <= RETRY_MS)
            return -1;
        nanosleep(&pause, NULL);
    }
}

static int send_message(int agent, int lent[2], int count)
{
    char space[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec part = {message, message_size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (count) {
        header.msg_control = space, header.msg_controllen = sizeof space;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET, rights->cmsg_type = SCM_RIGHTS, rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(rights), lent, 2 * sizeof(int));
    }
    ssize_t sent = sendmsg(agent, &header, MSG_NOSIGNAL);
    for (size_t done = sent; sent > 0 && done < message_size; done += sent)
        sent = send(agent, message + done, message_size - done, MSG_NOSIGNAL);
    return sent > 0 ? 0 : -1;
}

static void write_setting(int agent, const char *path, const char *value)
{
    char whole[600], reply[32];
    int code = EPERM;
    if (!strncmp(path, "net/", 4) && !strstr(path, "..")) {
        snprintf(whole, sizeof whole, "/proc/sys/%s", path);
        int file = open(whole, O_WRONLY | O_CLOEXEC);
        code = file >= 0 && write(file, value, strlen(value)) >= 0 ? 0 : errno;
        close(file);
    }
    int size = code ? sprintf(reply, "failed %d\n", code) : sprintf(reply, "done\n");
    (void)!send(agent, reply, size, MSG_NOSIGNAL);
}

/* Do what the agent says until it says how to end; AWAY when it hangs up before. */
static int obey(int agent)
{
    static char line[1024], path[512], value[256];
    FILE *reader = fdopen(agent, "r");
    int code;
    size_t size;
    while (reader && fgets(line, sizeof line, reader)) {
        if (sscanf(line, "write %511s %255s", path, value) == 2)
            write_setting(agent, path, value);
        else if (sscanf(line, "exit %d %zu", &code, &size) == 2 && size < sizeof message)
            return fread(message, 1, size, reader) == size ? (fwrite(message, 1, size, stdout), code) : AWAY;
    }
    errno = errno ? errno : ECONNRESET;
    return AWAY;
}

/* The agent will find word of the deletion when it comes; the runtime is told that all is well. */
static int leave_tombstone(void)
{
    const char *container = variable("CNI_CONTAINERID", ""), *interface = variable("CNI_IFNAME", "");
    char folder[2048], fresh[4096], path[4096];
    if (!*container || !*interface || strchr(container, '/') || strchr(interface, '/') || *container == '.')
        return failed(4, "CNI_CONTAINERID or CNI_IFNAME is missing or not valid", "DEL needs both");
    snprintf(folder, sizeof folder, "%s/cni/tombstones", variable("FELIXPY_STATE_DIR", "/var/lib/felixpy"));
    for (char *slash = folder; (slash = strchr(slash + 1, '/'));)
        *slash = 0, mkdir(folder, 0755), *slash = '/';
    mkdir(folder, 0700);
    snprintf(fresh, sizeof fresh, "%s/.%s@%s", folder, container, interface);
    snprintf(path, sizeof path, "%s/%s@%s", folder, container, interface);
    int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, message, message_size) != (ssize_t)message_size || fsync(file) || rename(fresh, path))
        return failed(11, "the deletion could not be noted", strerror(errno));
    return 0;
}

int main(void)
{
    const char *command = variable("CNI_COMMAND", "");
    int lent[2] = {-1, -1}, delete = !strcmp(command, "DEL"), code = AWAY;
    config_size = fread(config, 1, MAX_CONFIG, stdin);
    if (!strcmp(command, "VERSION"))
        return printf("{\"cniVersion\": \"%s\", \"supportedVersions\": [" VERSIONS "]}\n", version()) < 0;
    if (build_message())
        return failed(4, "the CNI variables are too long", "at most 64 KiB");
    int both = lend(lent), agent = connected(delete ? 0 : PATIENCE_MS);
    errno = agent < 0 ? errno : 0;
    if (agent >= 0 && !send_message(agent, lent, both))
        code = obey(agent);
    if (code != AWAY)
        return code;
    return delete ? leave_tombstone() : failed(11, "the felixpy agent of this node does not answer", strerror(errno));
}
