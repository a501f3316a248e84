"""The sandbox closes behind threads that have begun, however late the host lets them: they could not begin behind it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from contextlib import closing
from pathlib import Path

import pytest

from hypervisor.shell.links.zmq import ZmqHub
from tests.support.live import alone, until

pytestmark = pytest.mark.slow

LATE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

static void *(*begin)(void *);

static void *late(void *argument)
{
    struct timespec delay = {0, 300000000};
    while (nanosleep(&delay, &delay)) /* a change of user interrupts all threads */
        ;
    return begin(argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*start)(void *), void *argument)
{
    static int count;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    if (count++ != NUMBER)
        return real(thread, how, start, argument);
    begin = start;
    return real(thread, how, late, argument);
}
"""
"""In front of the C library: a host that is too busy for the thread of this number, for as long as the rest takes."""


@pytest.mark.parametrize("number", [0, 1])
def test_a_thread_of_libzmq_that_begins_late_is_waited_for(tmp_path: Path, number: int) -> None:
    (tmp_path / "late.c").write_text(LATE)
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    command = [*compiler, "-shared", "-fPIC", f"-DNUMBER={number}", "-o", "late.so", "late.c", "-ldl"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with closing(ZmqHub(f"ipc://@cellvisor-late-{os.getpid()}-{number}")) as hub:
        public, secret = hub.admit("late", felt=False)
        keys = [key.decode() for key in (hub.public_key, public, secret)]
        late = {"LD_PRELOAD": str(tmp_path / "late.so")}
        process = alone("tests.support.behind_the_door", hub.endpoint, *keys, env=late, stderr=subprocess.PIPE)
        assert until(lambda: hub.pump(5) or process.poll() is not None)
    assert (*process.communicate(), process.returncode) == ("3 threads, ended\n", "", 0)
