module.exports = file => require('sass').compile(file, { style: 'compressed' }).css;
