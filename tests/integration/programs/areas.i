%module areas
%inline %{
static double area(double width, double height) { return width * height; }
%}
