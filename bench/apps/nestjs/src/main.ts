import 'reflect-metadata';
import { ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app';

async function main() {
  const app = await NestFactory.create<NestExpressApplication>(AppModule);
  app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true }));
  app.setBaseViewsDir('views');
  app.setViewEngine('ejs');
  app.enableShutdownHooks();
  SwaggerModule.setup('api', app, () => SwaggerModule.createDocument(app, new DocumentBuilder().setTitle('Orders').build()));
  await app.listen(3000, '0.0.0.0');
}
main();
