/* The rows of a run as tables. */
#ifndef CZ_APP_RUN_TABLE_H
#define CZ_APP_RUN_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* For the terminal; GitHub's Markdown; CSV (RFC 4180) with a header, raw
 * numbers and empty fields for what is not known. */
void app_run_table_text(FILE *file, const json_t *root);
void app_run_table_markdown(FILE *file, const json_t *root);
void app_run_table_csv(FILE *file, const json_t *root);

/* The cells of the tables for people, of one row: [APP_RUN_CELLS]. */
enum {
    APP_RUN_CELL_MODEL,
    APP_RUN_CELL_VARIANT,
    APP_RUN_CELL_SIZE,
    APP_RUN_CELL_GZIP,
    APP_RUN_CELL_ZEROS,
    APP_RUN_CELL_AP,
    APP_RUN_CELL_DELTA,
    APP_RUN_CELL_AP50,
    APP_RUN_CELL_MS,
    APP_RUN_CELL_RATIO,
    APP_RUN_CELL_FPS,
    APP_RUN_CELL_MEMORY,
    APP_RUN_CELL_GATES,
    APP_RUN_CELLS,
};

#define APP_RUN_CELL_BYTES 160

extern const char *const app_run_heads[APP_RUN_CELLS];

/* Is it a word, which begins at the left? */
bool app_run_is_word(size_t cell);

void app_run_cells(char cells[APP_RUN_CELLS][APP_RUN_CELL_BYTES],
                   const json_t *row);

#endif
