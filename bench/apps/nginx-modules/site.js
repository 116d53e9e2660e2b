import crypto from 'crypto';

function hello(r) {
  const digest = crypto.createHash('sha256').update(r.args.name || '').digest('hex');
  r.headersOut['Content-Type'] = 'application/json';
  r.return(200, JSON.stringify({ name: r.args.name, digest }));
}

export default { hello };
