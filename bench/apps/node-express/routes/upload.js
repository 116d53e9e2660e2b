const router = require('express').Router();
const upload = require('multer')({ dest: '/tmp/uploads' });

router.post('/', upload.single('file'), (request, response) => response.json({ bytes: request.file.size, name: request.file.originalname }));
module.exports = router;
