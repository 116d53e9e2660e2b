# Small reports: report.R COMMAND FILE [ARGUMENT]

summary_of <- function(path, ...) {
  data <- read.csv(path)
  print(aggregate(price ~ fruit, data, mean))
}

to_json <- function(path, ...) {
  library(jsonlite)
  cat(toJSON(read.csv(path), pretty = TRUE), "\n")
}

from_json <- function(path, ...) {
  data <- jsonlite::fromJSON(path)
  write.csv(data, row.names = FALSE)
}

plot_to <- function(path, target) {
  data <- read.csv(path)
  extension <- tools::file_ext(target)
  open <- switch(extension, png = png, pdf = pdf, svg = svg, jpg = jpeg, tiff = tiff, ps = postscript, cpdf = cairo_pdf)
  open(target)
  boxplot(price ~ fruit, data, main = "Preise größer als \u03b1", col = rainbow(3))
  invisible(dev.off())
}

pretty_plot <- function(path, target) {
  library(ggplot2)
  chart <- ggplot(read.csv(path), aes(fruit, price, fill = fruit)) + geom_col() + geom_smooth(aes(group = 1), method = "lm", formula = y ~ x) +
    facet_wrap(~ fruit > "p") + scale_fill_viridis_d() + theme_minimal() + ggtitle("Fruit")
  ggsave(target, chart, width = 4, height = 3)
}

model <- function(path, ...) {
  fit <- lm(mpg ~ wt + factor(cyl), data = mtcars)
  print(summary(fit))
  print(anova(fit))
}

evaluate <- function(text, ...) print(eval(parse(text = text)))

help_text <- function(...) cat("usage: report.R summary|json|csv|plot|ggplot|model|eval FILE [ARGUMENT]\n")

commands <- list(summary = summary_of, json = to_json, csv = from_json, plot = plot_to, ggplot = pretty_plot, model = model, eval = evaluate, help = help_text)
arguments <- commandArgs(trailingOnly = TRUE)
command <- commands[[arguments[1]]]
if (is.null(command)) {
  message("unknown command: ", arguments[1])
  quit(status = 2)
}
command(arguments[2], arguments[3])
