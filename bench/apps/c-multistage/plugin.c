#include <ctype.h>

const char *name = NAME;

void change(char *text) {
  for (; *text; text++) *text = FUNCTION((unsigned char)*text);
}
