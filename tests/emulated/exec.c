/* Loaded ahead of a program in $EMULATOR, whose kernel does not know how to
 * start a program for another machine: starts the emulator for it. Programs of
 * this machine, such as the shell, are started as they are. */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Programs of this machine cannot load it. The emulator sets it anew. */
__attribute__((constructor)) static void hide(void)
{
    unsetenv("LD_PRELOAD");
}

static bool is_emulated(const char *path)
{
    Elf64_Ehdr header = {.e_machine = EM_NONE};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = read(fd, &header, sizeof header);
    close(fd);
    return n == sizeof header && header.e_machine == EM_AARCH64;
}

int execv(const char *path, char *const argv[])
{
    char *emulator = getenv("EMULATOR");
    size_t n = 0;
    if (!emulator || !is_emulated(path))
        return execve(path, argv, environ);
    while (argv[n])
        n++;
    /* EMULATOR -0 NAME PATH ARGUMENT... NULL */
    char **args = calloc(n + 4, sizeof *args);
    if (!args)
        return -1;
    args[0] = emulator;
    args[1] = (char *)"-0";
    args[2] = argv[0];
    args[3] = (char *)path;
    for (size_t i = 1; i < n; i++)
        args[i + 3] = argv[i];
    return execvp(emulator, args);
}
