/* One element of an array as a number in text. */
#ifndef INTERPROBE_NUMBER_TEXT_H
#define INTERPROBE_NUMBER_TEXT_H

#include "layout.h"

/* Writes the element of an array's type that lies at `at`: its length, or -1 where it is no real number in
 * the processor's byte order. */
int number_text(const layout *is, const char *at, char *text, size_t size);

/* Puts a point where the program's locale made printf write a comma, in the text of a single number. */
void number_text_point(char *text);

#endif
