<!doctype html>
<title>Shop</title>
<h1>Welcome, visitor from <?= htmlspecialchars($_SERVER['REMOTE_ADDR']) ?></h1>
