module.exports = file => JSON.stringify(require('js-yaml').load(require('fs').readFileSync(file || 0, 'utf8')));
