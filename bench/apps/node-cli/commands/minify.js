module.exports = async file => (await require('terser').minify(require('fs').readFileSync(file, 'utf8'))).code;
