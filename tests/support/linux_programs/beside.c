/* beside PROGRAM [ARGUMENTS]: starts a program, and lives on: says so three times in 300 ms, then ends it if it has not ended. */
#include "ulib.h"

int main(int count, char **arguments, char **environment)
{
    char text[24];
    int status = 0, child = fork();
    (void)count;
    if (!child) {
        execve(arguments[1], arguments + 1, environment);
        exit(127);
    }
    for (int time = 0; time < 3; time++) {
        sleep_ms(100);
        printf("alive\n");
    }
    kill(child, SIGKILL);
    status = wait_for(child);
    printf("it ended: %s\n", ending(status, text));
    return 0;
}
