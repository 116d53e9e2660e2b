document.addEventListener("DOMContentLoaded", function () {
  console.log("the shop is open");
});
