/* letters PEER COUNT [busy | watch]: sends COUNT numbered messages to a cell and takes as many, as both ends like it best; tells
   what was wrong with them. `busy`: a child computes meanwhile. `watch`: writes every 10 ms and tells when the answer is another one
   than before, until it has been told of COUNT of them. */
#include "ulib.h"

static u32 out[16], in[16];

static int watch(int file, u32 changes)
{
    int before = 0, answer, taken = 0;
    while (changes) {
        answer = write(file, out, sizeof out);
        if (answer != before && answer != -EAGAIN) {
            say("write", before = answer);
            changes--;
        }
        answer = read(file, in, sizeof in);
        if (answer != taken && answer != -EAGAIN)
            say("read", taken = answer);
        sleep_ms(10);
    }
    return failures;
}

int main(int count, char **arguments, char **environment)
{
    char path[64] = "/dev/channel/", mode = count > 3 ? *arguments[3] : 'c';
    u32 letters = number(arguments[2]), sent = 0, taken = 0, wrong = 0;
    int child = mode == 'b' ? fork() : 1;
    (void)environment;
    if (!child)
        for (volatile u32 turn = 0;; turn++) {}
    strcpy(path + strlen(path), arguments[1]);
    int file = open(path, O_RDWR | O_NONBLOCK, 0);
    must(file >= 0, "open");
    if (mode == 'w')
        return watch(file, letters);
    while (sent < letters || taken < letters) {
        struct pollfd polled = {file, (u16)(POLLIN | (sent < letters ? POLLOUT : 0)), 0};
        poll(&polled, 1, 100);
        out[0] = sent;
        if (sent < letters && write(file, out, sizeof out) == sizeof out)
            sent++;
        if (read(file, in, sizeof in) == sizeof in)
            wrong += in[0] != taken, taken++;
    }
    if (mode == 'b')
        kill(child, SIGKILL);
    printf("%d sent, %d taken, %d wrong\n", sent, taken, wrong);
    sleep_ms(200); /* what waits still has to go */
    return failures;
}
