module.exports = file => {
  const zip = new (require('adm-zip'))();
  zip.addLocalFile(file);
  zip.writeZip(file + '.zip');
  return 'written';
};
