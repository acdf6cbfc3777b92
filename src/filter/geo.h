// Places on the Earth, taken as a sphere: good to half a percent, which is what the fields hold.
#pragma once

namespace ferres {

struct GeoPoint {
  double lat = 0;  // degrees, -90 .. 90
  double lon = 0;  // degrees, -180 .. 180
};

struct GeoBox {
  GeoPoint top_left;
  GeoPoint bottom_right;
};

bool is_on_earth(const GeoPoint& point);
/// Great-circle distance by the haversine formula.
double distance_meters(const GeoPoint& a, const GeoPoint& b);
/// Edges belong to the box; a box whose left edge lies east of its right one crosses longitude 180.
bool contains(const GeoBox& box, const GeoPoint& point);

}  // namespace ferres
