/* Numbers of the kernel for people. */
#include "ulib.h"

static const char errors[][16] = {
    [EPERM] = "EPERM", [ENOENT] = "ENOENT", [ESRCH] = "ESRCH", [EINTR] = "EINTR", [EIO] = "EIO", [ENXIO] = "ENXIO",
    [E2BIG] = "E2BIG", [ENOEXEC] = "ENOEXEC", [EBADF] = "EBADF", [ECHILD] = "ECHILD", [EAGAIN] = "EAGAIN", [ENOMEM] = "ENOMEM",
    [EACCES] = "EACCES", [EFAULT] = "EFAULT", [ENOTBLK] = "ENOTBLK", [EBUSY] = "EBUSY", [EEXIST] = "EEXIST", [EXDEV] = "EXDEV",
    [ENODEV] = "ENODEV", [ENOTDIR] = "ENOTDIR", [EISDIR] = "EISDIR", [EINVAL] = "EINVAL", [ENFILE] = "ENFILE",
    [EMFILE] = "EMFILE", [ENOTTY] = "ENOTTY", [ETXTBSY] = "ETXTBSY", [EFBIG] = "EFBIG", [ENOSPC] = "ENOSPC",
    [ESPIPE] = "ESPIPE", [EROFS] = "EROFS", [EMLINK] = "EMLINK", [EPIPE] = "EPIPE", [ENAMETOOLONG] = "ENAMETOOLONG",
    [ENOSYS] = "ENOSYS", [ENOTEMPTY] = "ENOTEMPTY", [ELOOP] = "ELOOP",
};
static const struct {
    int error;
    const char *name;
} more_errors[] = {
    {ENOTSOCK, "ENOTSOCK"}, {EAFNOSUPPORT, "EAFNOSUPPORT"}, {EADDRINUSE, "EADDRINUSE"}, {ENOTCONN, "ENOTCONN"},
    {ECONNREFUSED, "ECONNREFUSED"}, {ERANGE, "ERANGE"},
};
static const char signals[][8] = {
    "", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2",
    "SIGPIPE", "SIGALRM", "SIGTERM", "", "SIGCHLD", "SIGCONT", "SIGSTOP",
};

const char *error_name(int error)
{
    if (error < 0)
        error = -error;
    if (error < (int)COUNT(errors) && errors[error][0])
        return errors[error];
    for (u32 i = 0; i < COUNT(more_errors); i++)
        if (more_errors[i].error == error)
            return more_errors[i].name;
    return "an error without a name";
}

const char *signal_name(int signal)
{
    return signal > 0 && signal < (int)COUNT(signals) && signals[signal][0] ? signals[signal] : "a signal without a name";
}

const char *told(int answer, char to[12])
{
    if (answer < 0 && answer > -4096)
        return error_name(answer);
    snprintf(to, 12, "%d", answer);
    return to;
}

const char *ending(int status, char to[24])
{
    if (status & 0x7f)
        return signal_name(status & 0x7f);
    snprintf(to, 24, "exit %d", status >> 8 & 0xff);
    return to;
}
