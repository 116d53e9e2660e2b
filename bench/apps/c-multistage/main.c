#define _GNU_SOURCE
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <iconv.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

static int change(const char *which, char *text) {
  char path[300];
  const char *directory = getenv("FEED_PLUGINS");
  snprintf(path, sizeof path, "%s/%s.so", directory ? directory : "/usr/local/lib/feed", which);
  void *plugin = dlopen(path, RTLD_NOW);
  if (!plugin) {
    fprintf(stderr, "feed: %s\n", dlerror());
    return 1;
  }
  ((void (*)(char *))dlsym(plugin, "change"))(text);
  puts(text);
  return 0;
}

static int convert(const char *from) {
  char in[1000], out[4000], *i = in, *o = out;
  size_t left = fread(in, 1, sizeof in, stdin), room = sizeof out;
  iconv_t descriptor = iconv_open("UTF-8", from);
  if (descriptor == (iconv_t)-1) {
    perror("feed: iconv_open");
    return 1;
  }
  iconv(descriptor, &i, &left, &o, &room);
  fwrite(out, 1, sizeof out - room, stdout);
  return 0;
}

static int fetch(const char *url) {
  CURL *curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  if (getenv("FEED_AUTHORITY")) curl_easy_setopt(curl, CURLOPT_CAINFO, getenv("FEED_AUTHORITY"));
  CURLcode code = curl_easy_perform(curl);
  if (code) fprintf(stderr, "feed: %s\n", curl_easy_strerror(code));
  return code != 0;
}

static int find(const char *expression) {
  static char text[100000];
  size_t length = fread(text, 1, sizeof text, stdin);
  xmlDocPtr document = xmlReadMemory(text, length, "input", NULL, 0);
  if (!document) return 1;
  xmlXPathObjectPtr found = xmlXPathEvalExpression((const xmlChar *)expression, xmlXPathNewContext(document));
  puts((const char *)xmlXPathCastToString(found));
  return 0;
}

int main(int count, char **arguments) {
  setlocale(LC_ALL, "");
  const char *command = count > 1 ? arguments[1] : "help", *argument = count > 2 ? arguments[2] : "";
  if (!strcmp(command, "plugin") && count > 3) return change(argument, arguments[3]);
  if (!strcmp(command, "convert")) return convert(argument);
  if (!strcmp(command, "fetch")) return fetch(argument);
  if (!strcmp(command, "find")) return find(argument);
  if (!strcmp(command, "number")) return printf("%'.2f\n", 1234567.5) < 0;
  if (!strcmp(command, "error")) return puts(strerror(ENOENT)) < 0;
  if (!strcmp(command, "user")) {
    struct passwd *user = getpwnam(argument);
    return puts(user ? user->pw_dir : "nobody") < 0;
  }
  if (!strcmp(command, "service")) {
    struct servent *service = getservbyname(argument, "tcp");
    return printf("%d\n", service ? ntohs(service->s_port) : -1) < 0;
  }
  if (!strcmp(command, "host")) {
    struct hostent *host = gethostbyname(argument);
    return puts(host ? "found" : hstrerror(h_errno)) < 0;
  }
  if (!strcmp(command, "time")) {
    time_t noon = 1719835200;
    char text[100];
    strftime(text, sizeof text, "%A %H:%M %Z", localtime(&noon));
    return puts(text) < 0;
  }
  if (!strcmp(command, "crc")) return printf("%lx\n", crc32(0, (const unsigned char *)argument, strlen(argument))) < 0;
  fprintf(stderr, "usage: feed plugin|convert|fetch|find|number|error|user|service|host|time|crc ARGUMENT\n");
  return 2;
}
