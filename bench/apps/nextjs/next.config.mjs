/** @type {import('next').NextConfig} */
export default {
  images: { formats: ["image/avif", "image/webp"] },
  serverExternalPackages: ["sharp", "pdfkit", "shiki"],
  async headers() {
    return [{ source: "/:path*", headers: [{ key: "X-Shop", value: "fruit" }] }];
  },
  async redirects() {
    return [{ source: "/old/:id", destination: "/fruit/:id", permanent: true }];
  },
  async rewrites() {
    return [{ source: "/prices", destination: "/api/fruits" }];
  },
};
