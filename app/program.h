/* The program itself, for commands that work in processes of their own. */
#ifndef CZ_APP_PROGRAM_H
#define CZ_APP_PROGRAM_H

/* A file that reads as this program's, also after it was replaced. */
#define APP_PROGRAM "/proc/self/exe"

/* Becomes this program once more, with these arguments; of a child, after
 * fork(). Returns when that is not possible, with errno. */
void app_become_program(const char *const *argv);

#endif
