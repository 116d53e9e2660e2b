#!/bin/sh
# shop-map.sh info|convert|raster|where ...: maps of the shops.
set -e
case $1 in
  info) exec ogrinfo -ro -al -so "$2" ;;
  convert) exec ogr2ogr -f "$2" "$4" "$3" -oo X_POSSIBLE_NAMES=lon -oo Y_POSSIBLE_NAMES=lat -a_srs EPSG:4326 ;;
  raster) gdal_grid -q -zfield lat -ot Float32 -outsize 40 30 -of GTiff "$2" /tmp/grid.tif; gdal_translate -q -of "$3" /tmp/grid.tif "$4" ;;
  where) echo "$3 $4" | cs2cs -f %.3f EPSG:4326 "$2" ;;
  *) exec "$@" ;;
esac
