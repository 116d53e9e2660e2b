module.exports = file => {
  const $ = require('cheerio').load(require('fs').readFileSync(file, 'utf8'));
  return $('a').map((_, a) => $(a).attr('href')).get().join('\n');
};
