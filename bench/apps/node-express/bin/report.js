const { gzipSync, brotliCompressSync } = require('zlib');
console.log('report', gzipSync('x'.repeat(1000)).length, brotliCompressSync('x'.repeat(1000)).length, process.versions.icu ? 'icu' : 'no icu');
