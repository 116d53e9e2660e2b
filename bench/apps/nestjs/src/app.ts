import {
  BadRequestException, Body, Controller, Get, HttpCode, Injectable, Logger, Module, NotFoundException, OnApplicationShutdown, Param,
  ParseIntPipe, Post, Query, Render, Req, Res, Sse, UploadedFile, UseInterceptors,
} from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import { ApiProperty } from '@nestjs/swagger';
import bcrypt from 'bcrypt';
import Database from 'better-sqlite3';
import { IsEmail, IsInt, IsNotEmpty, Max, Min, IsOptional, IsISO8601 } from 'class-validator';
import { Type } from 'class-transformer';
import { execFile, fork } from 'child_process';
import { createHash, generateKeyPairSync, getCiphers } from 'crypto';
import { lookup } from 'dns/promises';
import ExcelJS from 'exceljs';
import { Request, Response } from 'express';
import i18next from 'i18next';
import Backend from 'i18next-fs-backend';
import nodemailer from 'nodemailer';
import { join } from 'path';
import PDFDocument from 'pdfkit';
import { interval, map, take } from 'rxjs';
import sharp from 'sharp';
import { Worker } from 'worker_threads';
import { brotliCompressSync, gzipSync } from 'zlib';

class Order {
  @ApiProperty() @IsNotEmpty() fruit: string;
  @ApiProperty() @IsInt() @Min(1) @Max(99) @Type(() => Number) count: number;
  @IsOptional() @IsEmail() email?: string;
  @IsOptional() @IsISO8601() due?: string;
}

@Injectable()
class Store implements OnApplicationShutdown {
  private readonly log = new Logger('Store');
  readonly db = new Database(process.env.DATABASE ?? '/data/orders.db');
  constructor() {
    this.db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, fruit TEXT, count INTEGER); CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(fruit)');
  }
  add(order: Order) {
    this.db.prepare('INSERT INTO words VALUES (?)').run(order.fruit);
    return this.db.prepare('INSERT INTO orders (fruit, count) VALUES (?, ?)').run(order.fruit, order.count).lastInsertRowid;
  }
  all() { return this.db.prepare('SELECT * FROM orders').all() as any[]; }
  onApplicationShutdown(signal: string) { this.log.log(`closed by ${signal}`); this.db.close(); }
}

const i18n = i18next.createInstance();
const translated = i18n.use(Backend).init({ fallbackLng: 'en', backend: { loadPath: join(process.cwd(), 'i18n/{{lng}}.json') } });

@Controller()
class Api {
  constructor(private readonly store: Store) {}

  @Get('health') health() { return { fine: true }; }
  @Get('orders') orders() { return this.store.all(); }
  @Post('orders') add(@Body() order: Order) { return { id: this.store.add(order) }; }
  @Get('orders/:id') one(@Param('id', ParseIntPipe) id: number) {
    const found = this.store.db.prepare('SELECT * FROM orders WHERE id = ?').get(id);
    if (!found) throw new NotFoundException(`no order ${id}`);
    return found;
  }
  @Get('find') find(@Query('q') q: string) { return this.store.db.prepare('SELECT fruit FROM words WHERE words MATCH ?').all(q); }
  @Get('page') @Render('orders') async page(@Query('lang') lang = 'en') {
    await translated;
    await i18n.loadLanguages(lang);
    return { t: i18n.getFixedT(lang), orders: this.store.all(), day: new Intl.DateTimeFormat(lang, { dateStyle: 'full', timeZone: 'Asia/Tokyo' }).format(0) };
  }
  @Get('sheet.xlsx') async sheet(@Res() response: Response) {
    const book = new ExcelJS.Workbook();
    const sheet = book.addWorksheet('Orders');
    sheet.addRow(['fruit', 'count']).font = { bold: true };
    this.store.all().forEach((o) => sheet.addRow([o.fruit, o.count]));
    await book.xlsx.write(response);
    response.end();
  }
  @Post('sheet') @HttpCode(200) @UseInterceptors(FileInterceptor('file')) async read(@UploadedFile() file: Express.Multer.File) {
    const book = new ExcelJS.Workbook();
    await book.xlsx.load(file.buffer as any);
    return book.worksheets[0].getRow(2).values;
  }
  @Get('bill.pdf') bill(@Res() response: Response) {
    const pdf = new PDFDocument();
    pdf.pipe(response);
    pdf.fontSize(20).text('Bill').font('Courier-Bold').text('total').font('Times-Italic').text('thanks').font('ZapfDingbats').text('4');
    pdf.end();
  }
  @Get('label.:kind') async label(@Param('kind') kind: string, @Query('text') text: string, @Res() response: Response) {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><circle cx="20" cy="20" r="15" fill="red"/><title>${text}</title></svg>`;
    try {
      const picture = await sharp(Buffer.from(svg)).resize(60).blur(1).toFormat(kind as any).toBuffer();
      response.type(kind).send(picture);
    } catch (e) { response.status(400).send(e.message); }
  }
  @Post('size') @HttpCode(200) @UseInterceptors(FileInterceptor('file')) async size(@UploadedFile() file: Express.Multer.File) {
    try { const { width, format } = await sharp(file.buffer).metadata(); return { width, format }; } catch (e) { throw new BadRequestException(e.message); }
  }
  @Get('fibonacci/:n') fibonacci(@Param('n', ParseIntPipe) n: number) {
    return new Promise((resolve, reject) => new Worker(join(__dirname, 'worker.js'), { workerData: n }).on('message', (v) => resolve({ v })).on('error', reject));
  }
  @Post('yaml') @HttpCode(200) yaml(@Body() body: { text: string }) {
    return new Promise((resolve) => { const child = fork(join(__dirname, 'child.js')); child.on('message', resolve); child.send(body.text); });
  }
  @Get('packed') packed() {
    return new Promise((resolve, reject) => {
      const child = execFile('gzip', ['-9', '-c'], { encoding: 'buffer' }, (e, out) => (e ? reject(e) : resolve({ magic: out.subarray(0, 2).toString('hex') })));
      child.stdin.end('fruit '.repeat(100));
    });
  }
  @Get('hash') async hash(@Query('of') of: string) {
    return { ok: await bcrypt.compare(of, await bcrypt.hash(of, 4)), no: await bcrypt.compare('x', await bcrypt.hash(of, 4)), sha: createHash('sha3-256').update(of).digest('hex').slice(0, 8) };
  }
  @Get('crypto') crypto() {
    return { ed: generateKeyPairSync('ed25519').publicKey.asymmetricKeyType, chacha: getCiphers().includes('chacha20-poly1305'), br: brotliCompressSync('x'.repeat(99)).length < 20, gz: gzipSync('x')[0] };
  }
  @Get('intl') intl(@Query('lang') lang: string) {
    return {
      money: new Intl.NumberFormat(lang, { style: 'currency', currency: 'EUR' }).format(1234.5), region: new Intl.DisplayNames(lang, { type: 'region' }).of('DE'),
      sorted: ['z', 'ä', 'a'].sort(new Intl.Collator(lang).compare).join(''), text: new TextDecoder('shift_jis').decode(Buffer.from([0x93, 0xfa])),
    };
  }
  @Get('lookup') async lookup(@Query('name') name: string) { try { return await lookup(name, { family: 4 }); } catch (e) { return { code: e.code }; } }
  @Get('fetch') async fetch(@Query('url') url: string) { try { return { text: await (await fetch(url)).text() }; } catch (e) { return { error: e.cause?.code ?? e.message }; } }
  @Sse('ticks') ticks() { return interval(50).pipe(take(2), map((n) => ({ data: { n } }))); }
  @Post('mail') @HttpCode(200) async mail(@Body() body: { host: string; port: number }) {
    try {
      await nodemailer.createTransport({ host: body.host, port: body.port, tls: { rejectUnauthorized: false } })
        .sendMail({ from: 'shop@shop.test', to: 'ann@shop.test', subject: 'Grüße', html: '<b>x</b>', attachments: [{ filename: 'list.csv', content: 'a,b' }] });
      return { sent: true };
    } catch (e) { return { error: e.code }; }
  }
  @Get('crash') crash(@Req() request: Request) { throw new Error(`on purpose ${request.path}`); }
}

@Module({ controllers: [Api], providers: [Store] })
export class AppModule {}
