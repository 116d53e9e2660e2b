module.exports = async () => (await require('simple-git')().log()).latest.message;
