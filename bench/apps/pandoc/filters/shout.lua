function Str(word)
  return pandoc.Str(pandoc.text.upper(word.text))
end
