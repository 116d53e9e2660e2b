const { Marked } = require('marked');
const highlight = require('highlight.js');

const marked = new Marked({
  renderer: { code: (text, language) => `<pre>${highlight.highlight(text, { language: language || 'plaintext' }).value}</pre>` },
});
module.exports = file => marked.parse(require('fs').readFileSync(file, 'utf8'));
